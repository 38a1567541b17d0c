// The model in use, as the server tells of it when the page is loaded (ui/model_in_use.py).
import { getJSON } from "./server.js";

export const inUse = getJSON("./model");
