// For people with a keyboard or a screen reader: what Sphinx and Furo leave out.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  // Sphinx writes the parameters of a long signature as a list of definitions without terms
  document.querySelectorAll(".sig dl, .sig dd").forEach((part) => {
    const line = document.createElement("span");
    line.className = "parameter";
    line.append(...part.childNodes);
    part.replaceWith(line);
  });
  const boxes = document.querySelectorAll("pre, .table-wrapper, .cell_output, .output, div.math");
  const focusable = () => boxes.forEach((box) => { // the arrow keys scroll only what has the focus
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
  focusable();
  window.addEventListener("load", focusable);
  window.addEventListener("resize", focusable);
});
