// An inspection round on a phone: answers are kept on the device until the gateway has them.
//
// Answers wait in localStorage, photos in IndexedDB, each with a key of its own, so that sending them again changes
// nothing. All texts were written by the server, in the page's language.
(() => {
  "use strict";
  const form = document.querySelector("[data-round]");
  if (!form) return;
  const url = form.dataset.url;
  const store = `round:${form.dataset.round}`;
  const token = document.querySelector("meta[name=csrf]").content;
  const RETRY_MS = 15000;
  const MAX_SIDE = 1600;

  const newKey = () => [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, "0")).join("");
  const questions = [...form.querySelectorAll("[data-question]")];
  const placeOf = (question) => ({ stop: Number(question.dataset.stop), question: question.dataset.question });
  const idOf = (place) => `${place.stop}:${place.question}`;

  // ---- Answers that were not sent yet, by question

  const read = () => JSON.parse(localStorage.getItem(store) || "{}");
  function write(waiting) {
    if (Object.keys(waiting).length) localStorage.setItem(store, JSON.stringify(waiting));
    else localStorage.removeItem(store);
  }

  // ---- Photos that were not sent yet

  const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open("maas-rounds", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("photos", { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  async function photos(mode, work) {
    const database = await opened;
    return new Promise((resolve, reject) => {
      const request = work(database.transaction("photos", mode).objectStore("photos"));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }
  const waitingPhotos = async () => (await photos("readonly", (all) => all.getAll())).filter((one) => one.round === store);

  // ---- What a question says now

  function valueOf(question) {
    const kind = question.dataset.kind;
    if (kind === "number") {
      const text = question.querySelector("[data-value]").value.trim().replace(",", ".");
      return text === "" ? null : Number(text);
    }
    if (kind === "yes_no" || kind === "choice") return question.querySelector("input[type=radio]:checked")?.value ?? null;
    if (kind === "text") return question.querySelector("[data-value]").value.trim() || null;
    return null;
  }
  function mark(question) {
    const value = valueOf(question);
    const { low, high, alarm } = question.dataset;
    const out = typeof value === "number" ? (low && value < Number(low)) || (high && value > Number(high)) : value !== null && JSON.parse(alarm).includes(value);
    const wrong = typeof value === "number" && !Number.isFinite(value);
    question.toggleAttribute("data-out", Boolean(out));
    question.toggleAttribute("data-wrong", wrong);
    const note = question.querySelector("[data-note]").value.trim();
    const pictured = question.querySelector("[data-thumbs] img") !== null;
    question.toggleAttribute("data-answered", !wrong && (value !== null || (note !== "" && skipped(question)) || pictured));
    form.querySelector("[data-count]").textContent = form.querySelectorAll("[data-answered]").length;
  }
  const skipped = (question) => question.querySelector("[data-skip]").checked;

  function change(question) {
    mark(question);
    const value = skipped(question) ? null : valueOf(question);
    const note = question.querySelector("[data-note]").value.trim();
    if (question.hasAttribute("data-wrong") || (value === null && !(note && skipped(question)))) return;
    const place = placeOf(question);
    const waiting = read();
    waiting[idOf(place)] = { ...place, key: newKey(), value, note, answered_at: new Date().toISOString() };
    write(waiting);
    say("waiting");
    soon();
  }

  // ---- Sending

  function say(name) {
    for (const one of form.querySelectorAll("[data-say]")) one.hidden = one.dataset.say !== name;
  }
  function complain(message, place) {
    const box = form.querySelector("[data-error]");
    box.textContent = message || "";
    box.hidden = !message;
    if (!message) return;
    const found = questions.find((one) => `stops[${one.dataset.stop}].${one.dataset.question}` === place);
    (found || box).scrollIntoView({ block: "center" });
  }
  class Offline extends Error {}
  async function post(path, body, type) {
    try {
      return await fetch(url + path, { method: "POST", body, headers: { "x-csrf-token": token, "content-type": type } });
    } catch {
      throw new Offline();
    }
  }

  let timer = 0;
  let sending = null;
  function soon(wait = 800) {
    clearTimeout(timer);
    timer = setTimeout(() => flush().catch(() => {}), wait);
  }
  function flush() {
    sending ??= flushNow().finally(() => {
      sending = null;
    });
    return sending;
  }
  async function flushNow() {
    try {
      const waiting = read();
      if (Object.keys(waiting).length) await sendAnswers(waiting);
      for (const photo of await waitingPhotos()) await sendPhoto(photo);
    } catch (error) {
      if (error instanceof Offline) {
        say("offline");
        soon(RETRY_MS);
      }
      throw error;
    }
    // What was answered meanwhile was not part of it, and its own timer found this run going on.
    const more = Object.keys(read()).length || (await waitingPhotos()).length;
    say(more ? "waiting" : "saved");
    if (more) soon();
  }
  async function refused(response) {
    // A gateway that is busy or restarts is asked again later, as one that cannot be reached.
    if (response.status >= 500 || response.status === 429) throw new Offline();
    if (response.status === 401 || response.redirected) {
      say("signed-out");
      throw new Error("signed out");
    }
    const said = await response.json().catch(() => ({}));
    complain(said.message || response.statusText, said.param);
    throw new Error(said.code || String(response.status));
  }
  async function sendAnswers(waiting) {
    const response = await post("/answers", JSON.stringify({ answers: Object.values(waiting) }), "application/json");
    if (!response.ok || response.redirected) await refused(response);
    const left = read();
    for (const [id, sent] of Object.entries(waiting)) if (left[id]?.key === sent.key) delete left[id];
    write(left);
    complain("");
  }
  async function sendPhoto(photo) {
    const query = new URLSearchParams({ stop: photo.stop, question: photo.question, key: photo.key });
    const response = await post(`/photos?${query}`, photo.content, "image/jpeg");
    if (response.ok && !response.redirected) await photos("readwrite", (all) => all.delete(photo.key));
    else {
      // A photo that the gateway refuses for good would be refused each time.
      if (response.status === 400) await photos("readwrite", (all) => all.delete(photo.key));
      await refused(response);
    }
  }

  // ---- Photos

  async function reduced(file) {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return { content: await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85)), shown: canvas.toDataURL("image/jpeg", 0.6) };
  }
  function show(question, source) {
    const image = document.createElement("img");
    image.src = source;
    image.alt = question.querySelector("legend").textContent.trim();
    question.querySelector("[data-thumbs]").append(image);
    mark(question);
  }
  async function take(question, files) {
    for (const file of files) {
      try {
        const { content, shown } = await reduced(file);
        await photos("readwrite", (all) => all.put({ ...placeOf(question), key: newKey(), round: store, content, shown }));
        show(question, shown);
        complain("");
      } catch {
        complain(form.dataset.photoError);
      }
    }
    say("waiting");
    soon();
  }

  // ---- Beginning: what waits on the device takes precedence over what the gateway has

  function restore() {
    const waiting = read();
    for (const question of questions) {
      const kept = waiting[idOf(placeOf(question))];
      if (kept) {
        question.querySelector("[data-note]").value = kept.note;
        question.querySelector("[data-skip]").checked = kept.value === null;
        const field = question.querySelector("[data-value]");
        if (field && kept.value !== null) field.value = kept.value;
        const radio = [...question.querySelectorAll("input[type=radio]")].find((one) => one.value === kept.value);
        if (radio) radio.checked = true;
      }
      mark(question);
      question.addEventListener("change", (event) => {
        if (event.target.type === "file") take(question, [...event.target.files]).then(() => (event.target.value = ""));
        else change(question);
      });
      question.addEventListener("input", () => mark(question));
    }
    waitingPhotos().then((all) => {
      for (const photo of all) {
        const question = questions.find((one) => idOf(placeOf(one)) === idOf(photo));
        if (question) show(question, photo.shown);
      }
      if (all.length || Object.keys(waiting).length) soon(0);
    });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      // A run that was going on does not have the newest answers.
      do await flush();
      while (Object.keys(read()).length);
      const response = await post("/submit", "{}", "application/json");
      if (!response.ok || response.redirected) await refused(response);
      location.reload();
    } catch (error) {
      if (error instanceof Offline) complain(form.dataset.offlineError);
    } finally {
      button.disabled = false;
    }
  });
  addEventListener("online", () => soon(0));
  restore();
})();
