// Whether a lecture is being given in this browser tab, which stays so when it is reloaded.
import { inTab } from "./storage.js";

export const LECTURE_PLACE = "soliloquy-lecture"; // in the session's storage: which scene is shown

export const isUnderWay = () => inTab.get(LECTURE_PLACE) !== "";
