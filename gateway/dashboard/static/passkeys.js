// Passkeys: asks the device, and sends its answer. All texts are of the page.
"use strict";

(() => {
  const one = (selector) => document.querySelector(selector);
  const supported = window.PublicKeyCredential?.parseCreationOptionsFromJSON;

  async function send(address, body) {
    const token = one("meta[name=csrf]");
    const headers = { "content-type": "application/json" };
    if (token) headers["x-csrf-token"] = token.content;
    return fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
  }

  // Both steps: the device's options from the gateway, then its answer to the gateway.
  async function perform(button, ask, name) {
    const began = await send(`${button.dataset.address}/options`, {});
    const options = began.ok ? await began.json() : null;
    const credential = options && (await ask(options));
    return credential && send(button.dataset.address + window.location.search, { name, credential: credential.toJSON() });
  }

  function create(options) {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return navigator.credentials.create({ publicKey });
  }

  function find(options) {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return navigator.credentials.get({ publicKey });
  }

  async function run(button, ask) {
    const failed = one("#passkey-failed");
    failed.hidden = true;
    button.disabled = true;
    try {
      const answer = await perform(button, ask, one("#passkey-name")?.value ?? "");
      if (!answer?.ok) throw new Error("refused");
      window.location.assign((await answer.json()).next);
    } catch {
      failed.hidden = false;
      button.disabled = false;
    }
  }

  for (const [selector, ask] of [["#passkey-create", create], ["#passkey-sign-in", find]]) {
    const button = one(selector);
    if (!button || !supported) continue;
    button.closest("[hidden]")?.removeAttribute("hidden");
    button.addEventListener("click", () => run(button, ask));
  }
})();
