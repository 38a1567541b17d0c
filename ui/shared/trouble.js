// What went wrong, said where it happened, with a way on.
import { button } from "./dom.js";
import { connection, ServerError } from "./server.js";

const TRY_AGAIN = "Try again";
const REFUSED = [400, 413]; // statuses: the same request would be refused again

// Whoever waits with such a button need not press it once the server is back.
connection.addEventListener("back", () => {
  for (const node of document.querySelectorAll("button")) if (node.textContent === TRY_AGAIN && node.checkVisibility()) node.click();
});

/**
 * Says what went wrong, with a button to try again unless the request itself was wrong.
 * @param {Element} node
 * @param {Error} error
 * @param {() => unknown} again
 */
export function tellTrouble(node, error, again) {
  node.replaceChildren(`${error.message} `);
  if (error instanceof ServerError && REFUSED.includes(error.status)) return;
  const press = () => {
    node.replaceChildren();
    void again();
  };
  node.append(button("quiet inline", TRY_AGAIN, press));
}
