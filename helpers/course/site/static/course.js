// A formula or a table that is wider than its page scrolls by itself. The Tab key reaches it, so that arrow keys can scroll it.
(() => {
  const mark = () => {
    for (const it of document.querySelectorAll('mjx-container[display="true"], .cell_output .text_html')) {
      if (it.scrollWidth > it.clientWidth) it.setAttribute("tabindex", "0");
      else it.removeAttribute("tabindex");
    }
  };
  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    mark();
    window.addEventListener("resize", mark);
    document.addEventListener("toggle", mark, true); // a fold that opens
  });
})();
