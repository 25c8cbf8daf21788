// Keeps parts of a page as new as the server has them: asks for the page again, and takes over what
// has changed. The pages work without it: to load one again does the same.
const live = () => Array.from(document.querySelectorAll("[data-live]"));

// Leaves alone what is the same, so that what has the focus, or is read out, is not disturbed.
const renew = (old, fresh) => {
  if (old.isEqualNode(fresh)) return old;
  if (old.nodeType === Node.TEXT_NODE && fresh.nodeType === Node.TEXT_NODE) {
    old.data = fresh.data;
    return old;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName) return fresh;
  for (const name of old.getAttributeNames()) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const name of fresh.getAttributeNames()) {
    if (old.getAttribute(name) !== fresh.getAttribute(name)) {
      old.setAttribute(name, fresh.getAttribute(name));
    }
  }
  const known = new Map(Array.from(old.children, (each) => [each.id, each]));
  const wanted = Array.from(fresh.childNodes, (each, place) => {
    const there = each.id ? known.get(each.id) : old.childNodes[place];
    const same = there && (there.id || "") === (each.id || "");
    return same ? renew(there, each) : each;
  });
  if (
    wanted.length !== old.childNodes.length ||
    wanted.some((each, place) => each !== old.childNodes[place])
  ) {
    old.replaceChildren(...wanted);
  }
  return old;
};

const take = (page) => {
  const focused = document.activeElement;
  for (const part of live()) {
    const fresh = page.getElementById(part.id);
    if (fresh === null) {
      // Signed out, mostly.
      location.reload();
      return;
    }
    renew(part, document.adoptNode(fresh));
  }
  if (focused.isConnected && document.activeElement !== focused) {
    focused.focus({ preventScroll: true });
  }
};

const pause = document.createElement("button");
let paused = false;

const ask = () => {
  const parts = live();
  pause.hidden = parts.length === 0;
  if (parts.length === 0) return;
  const seconds = Math.min(...parts.map((part) => Number(part.dataset.live)));
  setTimeout(() => {
    if (paused || document.hidden) {
      ask();
      return;
    }
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.setRequestHeader("Counterfoil-Live", "1");
    request.responseType = "document";
    request.timeout = 10000;
    request.addEventListener("loadend", () => {
      if (request.status === 200 && request.response !== null && !paused) take(request.response);
      ask();
    });
    request.send();
  }, seconds * 1000);
};

if (live().length > 0) {
  const show = () => {
    pause.textContent = paused ? "Go on updating" : "Pause updates";
  };
  pause.type = "button";
  pause.className = "pause";
  pause.addEventListener("click", () => {
    paused = !paused;
    show();
  });
  show();
  document.querySelector("h1").after(pause);
  ask();
}
