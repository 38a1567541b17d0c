// The page's last words for the reader: over the settings, where they move nothing. What is wrong with the seed stands at the seed.
import { openDrawer } from "./drawer.js";

/** @param {import("./main.js").SampleTab} tab */
export function createNotice({ page, say }) {
  const [place, notice] = ["notice-place", "notice"].map((id) => document.getElementById(id));
  const home = place.parentElement;
  const block = document.getElementById("seed");
  const seed = /** @type {HTMLElement} */ (block.querySelector("input, textarea"));
  const show = () => {
    const { words, isError, setting } = page.said;
    const isOfSeed = setting === "seed";
    seed.setAttribute("aria-invalid", String(isOfSeed));
    if (isOfSeed) {
      seed.setAttribute("aria-describedby", "notice");
      block.append(place);
      openDrawer(true);
      seed.scrollIntoView({ block: "nearest" });
    } else if (place.parentElement !== home) home.append(place);
    if (notice.textContent !== words) {
      notice.setAttribute("role", isError ? "alert" : "status");
      notice.classList.toggle("error", isError);
      notice.textContent = words;
    }
    if (words && document.fullscreenElement) say(words);
  };
  document.getElementById("notice-close").addEventListener("click", () => page.say("", false));
  page.addEventListener("said", show);
  show();
}
