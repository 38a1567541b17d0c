// The header: what runs here, text size, light and dark. Given by gr.HTML: element, props.
const { display } = window.soliloquy;

const facts = element.querySelector(".facts");
window.soliloquy.showFacts = (all) => {
  for (const fact of all) {
    const item = document.createElement("li");
    item.textContent = fact;
    facts.append(item);
  }
};
const speed = document.createElement("li");
speed.className = "speed";

window.soliloquy.showSpeed = (charsPerSecond) => {
  facts.append(speed);
  speed.textContent = `${Math.round(charsPerSecond).toLocaleString("en")} characters/s`;
};

for (const button of element.querySelectorAll("[data-size]")) {
  button.addEventListener("click", () => display.changeSize(Number(button.dataset.size)));
}

const theme = element.querySelector(".theme");
const showTheme = () => theme.setAttribute("aria-pressed", String(display.isDark()));
theme.addEventListener("click", () => {
  display.setDark(!display.isDark());
  showTheme();
});
showTheme();
