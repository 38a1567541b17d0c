// Whether a lecture is being given in this browser tab, which stays so when it is reloaded.

export const LECTURE_PLACE = "soliloquy-lecture"; // in the session's storage: which scene is shown

export function isUnderWay() {
  try {
    return sessionStorage.getItem(LECTURE_PLACE) !== null;
  } catch {
    return false; // storage may be blocked
  }
}
