// The address that a phone takes of the lecturer's.

const TAB = "class";
const VIEW = "part"; // what a phone shows of the Class tab: the wall and the votes are on the projector

/** @param {string} address from "#" on */
export function onPhone(address) {
  const words = new URLSearchParams(address.slice(1));
  if (words.get("tab") === TAB) words.set("class", VIEW);
  else words.delete("class");
  return `#${words}`;
}
