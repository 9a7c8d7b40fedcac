// The mapping queue by keyboard: j and k move, Enter marks and goes on, e edits, a marks all.
(() => {
  "use strict";
  const queue = document.querySelector("[data-queue]");
  if (!queue) return;
  const boxes = [...queue.querySelectorAll("input[type=checkbox]")];
  const rowOf = (element) => element?.closest("tr");
  let at = 0;

  function select(next) {
    at = Math.max(0, Math.min(next, boxes.length - 1));
    for (const box of boxes) rowOf(box).removeAttribute("data-current");
    rowOf(boxes[at]).setAttribute("data-current", "");
    boxes[at].focus();
    rowOf(boxes[at]).scrollIntoView({ block: "nearest" });
  }

  function mark() {
    boxes[at].checked = true;
    select(at + 1);
  }

  function markAll() {
    const all = boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = !all;
  }

  const commands = {
    j: () => select(at + 1),
    k: () => select(at - 1),
    e: () => rowOf(boxes[at]).querySelector("input[list]").select(),
    a: markAll,
    Enter: mark,
  };

  document.addEventListener("keydown", (event) => {
    const isField = event.target.matches("input[list], input:not([type=checkbox]), select, textarea");
    const isControl = event.target.closest("a, button, summary");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      queue.requestSubmit();
    } else if (isField && queue.contains(event.target)) {
      if (event.key === "Enter") mark();
      else if (event.key === "Escape") select(at);
      else return;
      event.preventDefault();
    } else if (!isField && !isControl && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (!commands[event.key]) return;
      event.preventDefault();
      commands[event.key]();
    }
  });

  queue.addEventListener("focusin", (event) => {
    const index = boxes.findIndex((box) => rowOf(box) === rowOf(event.target));
    if (index >= 0) at = index;
  });
  queue.querySelector("[data-marks-all]").addEventListener("click", markAll);
})();
