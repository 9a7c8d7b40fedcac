// The playground: a call's answer as it comes, and what was said before.
//
// All texts are of the page; amounts are shown as the gateway tells them.
"use strict";

(() => {
  const one = (selector, within = document) => within.querySelector(selector);

  let playing = null;

  function turn(kind, text) {
    const made = one("#says").content.cloneNode(true).firstElementChild;
    made.classList.add(kind);
    one("small", made).textContent = one("#who").dataset[kind];
    one("p", made).textContent = text;
    one("#talk").append(made);
    return one("p", made);
  }

  // The model's thoughts, folded above its answer; made when the first of them comes.
  function think(answer, text) {
    const above = answer.previousElementSibling;
    const shown = above.matches("details") ? above : one("#thinks").content.cloneNode(true).firstElementChild;
    if (shown !== above) answer.before(shown);
    one("p", shown).textContent += text;
  }

  // The passages of an answer, folded below it, and whether they support it.
  function showSources(answer, searched) {
    const texts = one("#grounding");
    const shown = one("#sources").content.cloneNode(true).firstElementChild;
    one("summary", shown).textContent = texts.getAttribute(`data-${searched.grounding.replace("_", "-")}`);
    for (const passage of searched.results) {
      const item = one("#source").content.cloneNode(true).firstElementChild;
      item.value = passage.passage;
      one("strong", item).textContent = passage.filename;
      one("small", item).textContent = passage.cited ? texts.dataset.cited : "";
      one("p", item).textContent = passage.text;
      one("ol", shown).append(item);
    }
    answer.after(shown);
  }

  // What was said goes with the next question, as the model remembers nothing.
  function keep(form, text) {
    const said = document.createElement("input");
    Object.assign(said, { type: "hidden", name: "turn", value: text });
    form.append(said);
  }

  async function readStream(answer, tell) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let waiting = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (waiting + value).split("\n");
      waiting = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data: {")) tell(JSON.parse(line.slice(6)));
      }
    }
  }

  function showCost(answer, cost, currency) {
    const shown = one("#cost").content.cloneNode(true).firstElementChild;
    shown.href += answer.headers.get("x-request-id");
    const [whole, part] = (cost || "0").split(".");
    one("span", shown).textContent = `${whole}.${(part || "").replace(/0+$/, "").padEnd(2, "0")} ${currency}`;
    one("#played").replaceChildren(shown);
  }

  async function answerChat(form, answer) {
    const asked = one("[name=prompt]", form);
    const question = asked.value;
    turn("user", question);
    asked.value = "";
    const shown = turn("model", "");
    let cost = answer.headers.get("x-maas-cost");
    let currency = answer.headers.get("x-maas-currency");
    await readStream(answer, (chunk) => {
      if (chunk.error) refuse(chunk.error.message);
      const delta = chunk.choices?.[0]?.delta;
      if (delta?.reasoning_content) think(shown, delta.reasoning_content);
      shown.textContent += delta?.content || "";
      if (chunk.file_search) showSources(shown, chunk.file_search);
      one("#talk").scrollTop = one("#talk").scrollHeight;
      cost = chunk.x_maas_cost || cost;
      currency = chunk.x_maas_currency || currency;
    });
    keep(form, question);
    keep(form, shown.textContent);
    if (cost) showCost(answer, cost, currency);
    asked.focus();
  }

  async function answerRows(answer) {
    one("#answer").textContent = JSON.stringify(await answer.json(), null, 2);
    showCost(answer, answer.headers.get("x-maas-cost"), answer.headers.get("x-maas-currency"));
  }

  function refuse(text) {
    const notice = document.createElement("p");
    notice.className = "alert";
    notice.setAttribute("role", "alert");
    notice.textContent = text;
    one("#played").replaceChildren(notice);
  }

  async function play(form) {
    const stop = one("[data-stops]", form);
    const send = one("button:not([type=button])", form);
    playing = new AbortController();
    one("#played").replaceChildren();
    [stop.hidden, send.disabled] = [false, true];
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { "x-csrf-token": one("meta[name=csrf]").content, "hx-request": "true" },
        signal: playing.signal,
      });
      const kind = answer.headers.get("content-type") || "";
      if (kind.startsWith("text/html")) one("#notices").insertAdjacentHTML("beforeend", await answer.text());
      else if (!answer.ok) refuse((await answer.json()).error.message);
      else if (form.dataset.plays === "chat") await answerChat(form, answer);
      else await answerRows(answer);
    } catch (error) {
      if (error.name !== "AbortError") one("#notices").replaceChildren(one("#offline").content.cloneNode(true));
    }
    [stop.hidden, send.disabled] = [true, false];
    form.dispatchEvent(new Event("played"));
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-stops]")) playing?.abort();
  });

  // Sending is a call; htmx asks for the price as the form changes.
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-plays]");
    if (!form) return;
    event.preventDefault();
    play(form);
  });
})();
