// What went wrong, said where it happened, with a way on.
import { button } from "./dom.js";
import { connection, ServerError } from "./server.js";

const REFUSED = [400, 413]; // statuses: the same request would be refused again

// Whoever waits with such a button need not press it once the server is back.
connection.addEventListener("back", () => {
  for (const node of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("button[data-again]"))) if (node.checkVisibility()) node.click();
});

/** A button that is pressed by itself once the server is back. @param {string} className @param {() => unknown} again */
export function againButton(className, again) {
  const node = button(className, "Try again", again);
  node.dataset.again = "";
  return node;
}

/** Leads to the password. @param {Element} node @param {Error} error */
const lead = async (node, { message }) => (await import("./unlock.js")).tellLocked(node, message);

/**
 * Says what went wrong, with a button to try again unless the request itself was wrong, or with the way to the password.
 * @param {Element} node
 * @param {Error} error
 * @param {() => unknown} again
 */
export function tellTrouble(node, error, again) {
  if (error instanceof ServerError && error.status === 401) return void lead(node, error);
  node.replaceChildren(`${error.message} `);
  if (error instanceof ServerError && REFUSED.includes(error.status)) return;
  const press = () => {
    node.replaceChildren();
    void again();
  };
  node.append(againButton("quiet inline", press));
}
