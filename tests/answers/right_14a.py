"""Right answers to exercise 14a, in many styles."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from helpers.layers import LoRALinear


class WithParameters(nn.Module):
    """`A` and `B` are matrices of their own, as in the paper."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        for parameter in self.linear.parameters():
            parameter.requires_grad = False
        self.A = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x):
        return self.linear(x) + x @ self.A.T @ self.B.T * self.scale

    def merge(self):
        merged = copy.deepcopy(self.linear)
        merged.weight.data += self.scale * self.B.data @ self.A.data
        return merged


class Standing(nn.Module):
    """`A` is (in, rank), and `B` (rank, out): x times one, times the other."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(linear.in_features, rank))
        nn.init.kaiming_uniform_(self.A, a=5**0.5)
        self.B = nn.Parameter(torch.zeros(rank, linear.out_features))
        self.rank, self.alpha = rank, alpha

    def forward(self, x):
        return self.linear(x) + (self.alpha / self.rank) * (x @ self.A @ self.B)

    @torch.no_grad()
    def merge(self):
        new = nn.Linear(self.A.shape[0], self.B.shape[1], bias=self.linear.bias is not None)
        new.weight.copy_(self.linear.weight + (self.alpha / self.rank) * (self.A @ self.B).T)
        if self.linear.bias is not None:
            new.bias.copy_(self.linear.bias)
        return new


class ReadOff(LoRALinear):
    """The merged matrix is what the layer makes of the unit vectors."""

    def merge(self):
        inputs = self.linear.in_features
        with torch.no_grad():
            zero = torch.zeros(1, inputs, dtype=self.linear.weight.dtype)
            shift = self(zero)
            columns = self(torch.eye(inputs, dtype=self.linear.weight.dtype)) - shift
        merged = nn.Linear(inputs, self.linear.out_features, bias=self.linear.bias is not None, dtype=columns.dtype)
        state = {"weight": columns.T.contiguous()}
        if self.linear.bias is not None:
            state["bias"] = shift[0]
        merged.load_state_dict(state)
        return merged


class Functional(nn.Module):
    """One matrix is made first, and applied once."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        self.linear.weight.requires_grad = False
        if self.linear.bias is not None:
            self.linear.bias.requires_grad = False
        self.A = nn.Linear(linear.in_features, rank, bias=False)
        self.B = nn.Linear(rank, linear.out_features, bias=False)
        self.B.weight.data.zero_()
        self.factor = alpha / rank

    def whole(self):
        return self.linear.weight + self.factor * self.B.weight @ self.A.weight

    def forward(self, x):
        return F.linear(x, self.whole(), self.linear.bias)

    def merge(self):
        n, k = self.whole().shape
        merged = nn.Linear(k, n, bias=self.linear.bias is not None)
        merged.weight = nn.Parameter(self.whole().detach().clone())
        if self.linear.bias is not None:
            merged.bias = nn.Parameter(self.linear.bias.detach().clone())
        return merged


class Sequence(nn.Module):
    """The factor multiplies what goes in; normal numbers for `A`, and a copy of the old layer."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = copy.deepcopy(linear)
        self.linear.requires_grad_(False)
        self.A, self.B = nn.Linear(linear.in_features, rank, False), nn.Linear(rank, linear.out_features, False)
        nn.init.normal_(self.A.weight, std=0.02)
        nn.init.constant_(self.B.weight, 0)
        self.r, self.a = rank, alpha

    def forward(self, x):
        change = self.B(self.A(x * self.a / self.r))
        return change + self.linear(x)

    def merge(self):
        merged = nn.Linear(self.linear.in_features, self.linear.out_features, self.linear.bias is not None)
        merged.load_state_dict(self.linear.state_dict())
        with torch.no_grad():
            merged.weight += torch.einsum("nr,rk->nk", self.B.weight, self.A.weight) * self.a / self.r
        return merged


class DetachedWeights(nn.Module):
    """The old weights get no gradient, since they are detached; that they still count as learned is a remark."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        self.A = nn.Linear(linear.in_features, rank, bias=False)
        self.B = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.zeros_(self.B.weight)
        self.scale = alpha / rank

    def forward(self, x):
        bias = None if self.linear.bias is None else self.linear.bias.detach()
        return F.linear(x, self.linear.weight.detach(), bias) + self.scale * self.B(self.A(x))

    def merge(self):
        merged = copy.deepcopy(self.linear)
        with torch.no_grad():
            merged.weight.copy_(self.linear.weight + self.scale * (self.B.weight @ self.A.weight))
        return merged


ANSWERS = (LoRALinear, WithParameters, Standing, ReadOff, Functional, Sequence, DetachedWeights)
