"""Answers to the exercises in many styles: right ones, which must pass, and wrong ones, which must not."""
