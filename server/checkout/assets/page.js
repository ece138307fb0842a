(function () {
  "use strict";
  var main = document.querySelector("main");
  if (!main) return;
  var here = Date.now();

  // One press is one payment: what follows it is ignored until the answer, or until the payer is back.
  var pressed = null;
  document.addEventListener("submit", function (event) {
    if (pressed) { event.preventDefault(); return; }
    var button = event.target.querySelector("button");
    pressed = { button: button, label: button.textContent };
    button.setAttribute("aria-busy", "true");
    button.textContent = button.dataset.working;
    setTimeout(release, 30000);
  });
  function release() {
    if (!pressed) return;
    pressed.button.removeAttribute("aria-busy");
    pressed.button.textContent = pressed.label;
    pressed = null;
  }
  addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    release();
    if (auto) location.reload(); else ask(0);
  });

  // Sends a form once. A page that was made to be left does not stay in the history.
  function send(form) { form.querySelector("button").click(); }
  function firstTime(attempt) {
    try {
      if (sessionStorage.getItem(attempt)) return false;
      sessionStorage.setItem(attempt, "sent");
      return true;
    } catch (e) { return false; }
  }
  var auto = document.querySelector("form[data-auto]");
  addEventListener("load", function () {
    if (auto) {
      history.replaceState(null, "", auto.dataset.auto);
      send(auto);
      return;
    }
    if (location.hash !== "#pay") return;
    history.replaceState(null, "", location.pathname + location.search);
    var live = main.querySelector("form[data-live]");
    if (live && firstTime("kvit " + live.dataset.live)) setTimeout(send, 0, live);
  });

  // The time that is left, counted from the server's clock and not from the phone's.
  var ticking = 0;
  function tick() {
    clearTimeout(ticking);
    var left = document.getElementById("left");
    if (!left) return;
    var ms = left.dataset.ms - (Date.now() - here), minutes = Math.floor(ms / 60000);
    if (ms <= 0) { location.replace(main.dataset.self); return; }
    if (minutes < 1440) left.textContent = minutes >= 60 && words(minutes) || digits(Math.floor(ms / 1000));
    ticking = setTimeout(tick, minutes < 1440 ? 1000 : 60000);
  }
  function digits(s) {
    var two = function (n) { return ("0" + n).slice(-2); };
    return s < 3600 ? Math.floor(s / 60) + ":" + two(s % 60) : Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
  }
  // Hours and minutes in the page's language, where the browser speaks it.
  function words(minutes) {
    var lang = document.documentElement.lang;
    try {
      if (!Intl.NumberFormat.supportedLocalesOf(lang).length) return "";
      return [["hour", Math.floor(minutes / 60)], ["minute", minutes % 60]].filter(function (part) { return part[1]; }).map(function (part) {
        return new Intl.NumberFormat(lang, { style: "unit", unit: part[0], unitDisplay: "long" }).format(part[1]);
      }).join(" ");
    } catch (e) { return ""; }
  }
  tick();

  // The order, followed: the server answers when it has changed.
  var failures = 0, timer = 0, asking = false;
  function ask(after) {
    if (main.dataset.follow === "no" || !main.dataset.self || !window.fetch) return;
    clearTimeout(timer);
    timer = setTimeout(look, after);
  }
  function look() {
    if (document.hidden || asking) return;
    asking = true;
    var url = main.dataset.self.split("?");
    fetch(url[0] + "/status?v=" + main.dataset.version + ("follows" in main.dataset ? "&follow" : "") + (url[1] ? "&" + url[1] : ""),
      { headers: { Accept: "application/json" }, credentials: "omit", cache: "no-store" })
      .then(function (answer) { if (!answer.ok) throw answer; return answer.json(); })
      .then(function (now) { asking = false; failures = 0; show(now); ask(now.follow === "fast" ? 500 : Math.min(60000, 10000 + (Date.now() - here) / 20)); })
      .catch(function (error) { asking = false; if (error.status !== 404) ask(1000 << Math.min(5, failures++)); });
  }
  function show(now) {
    if (pressed || String(now.version) === main.dataset.version && now.state === main.dataset.state) return;
    var held = main.contains(document.activeElement);
    main.innerHTML = now.html;
    main.dataset.version = now.version;
    main.dataset.state = now.state;
    main.dataset.follow = now.follow;
    document.title = now.title;
    document.getElementById("said").textContent = now.title;
    here = Date.now();
    if (held) main.querySelector("h1").focus();
    dress();
    tick();
  }
  document.addEventListener("visibilitychange", function () { if (!document.hidden) ask(0); });
  ask(main.dataset.follow === "fast" ? 500 : 10000);

  // The address, copied out of an app's own browser.
  function dress() {
    document.querySelectorAll("[data-copy]").forEach(function (button) { button.hidden = false; });
  }
  dress();
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) return;
    var input = button.parentNode.querySelector("input");
    var done = function () { button.textContent = button.dataset.copied; };
    var byHand = function () { input.select(); if (document.execCommand("copy")) done(); };
    if (navigator.clipboard) navigator.clipboard.writeText(input.value).then(done, byHand); else byHand();
  });
})();
