// The lock: who knows the password may start runs, everybody may watch.
import { button, make } from "../shared/dom.js";
import { askRight, lock, unlock } from "./server.js";

export function createLock(train, node) {
  const form = make("form", "lock-form");
  const label = make("label", "train-label", "Password");
  const field = make("input", "train-field");
  Object.assign(field, { id: "train-password", type: "password", autocomplete: "current-password", required: true });
  label.htmlFor = field.id;
  const go = make("button", "train-button train-main", "Unlock");
  go.type = "submit";
  const said = make("p", "train-trouble");
  said.setAttribute("role", "alert");
  const hint = make("p", "train-hint");
  form.append(hint, label, field, go, said);
  const leave = button("quiet", "Lock again", async () => {
    await lock().catch((error) => train.say(error.message));
    train.checkRight();
  });
  node.append(form, leave);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.textContent = "";
    go.disabled = true;
    try {
      await unlock(field.value);
      field.value = "";
      train.checkRight();
    } catch (error) {
      said.textContent = error.message;
      field.select();
    } finally {
      go.disabled = false;
    }
  });

  train.addEventListener("right", async () => {
    const hadFocus = node.contains(document.activeElement);
    form.hidden = train.isAdmin;
    leave.hidden = !train.isAdmin;
    if (hadFocus) (train.isAdmin ? leave : field).focus();
    if (train.isAdmin) return train.say("");
    const { closed, one_time } = await askRight().catch(() => ({}));
    const where = one_time ? " It stands in the terminal where the app was started." : "";
    hint.textContent = closed || `Everybody may watch. To start runs, unlock with the lecturer's password.${where}`;
    for (const part of [label, field, go]) part.hidden = Boolean(closed);
  });
}
