// Two things a page cannot do by itself: tell the keeper that somebody reads it, and ask a wallet (EIP-1193) for a signature (EIP-712).
"use strict";
class Said extends Error {}

async function post(path, document) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(document) });
  const told = await answer.json().catch(() => ({ ok: false, message: `The keeper answered with status ${answer.status}.` }));
  if (!answer.ok || !told.ok) throw new Said([told.message, told.remedy].filter(Boolean).join(" What to do: "));
  return told;
}

// A page that is loaded ahead or in the background is not read yet.
function whenVisible(act) {
  if (document.visibilityState === "visible" && !document.prerendering) return act();
  const look = () => {
    if (document.visibilityState !== "visible" || document.prerendering) return;
    document.removeEventListener("visibilitychange", look);
    act();
  };
  document.addEventListener("visibilitychange", look);
}

(() => {
  const seen = document.body.dataset.seen;
  if (seen) whenVisible(() => post(seen, {}).catch(() => {}));

  const embedded = document.getElementById("signing");
  if (!embedded) return;
  const signing = JSON.parse(embedded.textContent);
  const result = document.getElementById("result");
  const walletButton = document.getElementById("wallet");
  const switchButton = document.getElementById("switch");
  const pasteButton = document.getElementById("paste");
  const field = document.getElementById("pasted");
  const buttons = [walletButton, switchButton, pasteButton];
  const REJECTED = 4001, UNKNOWN_CHAIN = 4902;
  const chainText = "0x" + BigInt(signing.chainId).toString(16);

  document.getElementById("approving").hidden = false;
  document.getElementById("no-script").hidden = true;
  walletButton.addEventListener("click", () => attempt(approve));
  switchButton.addEventListener("click", () => attempt(async () => {
    await wallet().request({ method: "wallet_switchEthereumChain", params: [{ chainId: chainText }] });
    await approve();
  }));
  pasteButton.addEventListener("click", () => attempt(async () => {
    const signature = field.value.trim();
    if (!/^0x([0-9a-fA-F]{2}){65,}$/.test(signature)) throw new Said("This is no signature: it is 0x and at least 130 hexadecimal digits.");
    await send("", signature);
    field.value = "";
  }));

  async function approve() {
    const provider = wallet();
    tell("Your wallet asks you which account may be used.");
    const accounts = await provider.request({ method: "eth_requestAccounts" });
    const chain = BigInt(await provider.request({ method: "eth_chainId" }));
    if (chain !== BigInt(signing.chainId)) {
      switchButton.hidden = false;
      throw new Said(`Your wallet is on chain ${chain}; this Safe is on chain ${signing.chainId}. Nothing was signed.`);
    }
    switchButton.hidden = true;
    const account = chosen(accounts);
    tell(`Compare the hashes in your wallet with those above, then sign with ${named(account)}.`);
    const signature = await provider.request({ method: "eth_signTypedData_v4", params: [account, JSON.stringify(signing.typed)] });
    await send(account, signature);
  }

  function chosen(accounts) {
    const owners = accounts.filter((account) => has(signing.owners, account));
    if (!accounts.length) throw new Said("Your wallet gave no account. Nothing was signed.");
    if (!owners.length) throw new Said(`${accounts[0]} is not an owner of this Safe: choose an owner's account in your wallet. Nothing was signed.`);
    const free = owners.find((account) => !has(signing.signed, account));
    if (!free) throw new Said(`${named(owners[0])} has signed already: another owner has to sign.`);
    return free;
  }

  async function send(owner, signature) {
    tell("The keeper checks the signature.");
    const answer = await post(signing.path, { owner, signature });
    for (const account of answer.owners) signing.signed.push(account);
    tell(answer.message, "good");
    await refresh(answer.missing);
  }

  // The parts of the page that a new signature changes, as the keeper renders them now.
  async function refresh(missing) {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["standing", "signatures", "approve-how", "commands", "clock"]) {
      const part = fresh.getElementById(id);
      if (part) document.getElementById(id).replaceWith(document.importNode(part, true));
    }
    if (!missing) document.getElementById("approving").hidden = true;
  }

  async function attempt(step) {
    for (const button of buttons) button.disabled = true;
    try {
      await step();
    } catch (error) {
      tell(words(error), "bad");
    } finally {
      for (const button of buttons) button.disabled = false;
      result.focus({ preventScroll: true });
      result.scrollIntoView({ block: "nearest" });
    }
  }

  function words(error) {
    if (error instanceof Said) return error.message;
    if (error && error.code === REJECTED) return "You rejected it in your wallet. Nothing was signed.";
    if (error && error.code === UNKNOWN_CHAIN) return `Your wallet does not know chain ${signing.chainId}: add it there, then try again. Nothing was signed.`;
    return `It did not work: ${String((error && error.message) || error).slice(0, 300)}`;
  }

  function tell(text, kind) {
    result.className = kind || "";
    result.textContent = text;
  }

  function wallet() {
    if (!window.ethereum) throw new Said("This browser has no wallet. Open the page in a wallet's browser or with its extension, paste a signature, or use the command line.");
    return window.ethereum;
  }

  function has(list, account) {
    return list.some((each) => each.toLowerCase() === String(account).toLowerCase());
  }

  function named(account) {
    const known = Object.keys(signing.names).find((each) => each.toLowerCase() === account.toLowerCase());
    return known ? `${signing.names[known]} (${account})` : account;
  }
})();
