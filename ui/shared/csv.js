// Tables as files, as RFC 4180 has them.

// A spreadsheet takes a text that begins like this for a formula, which may read other cells or open an address. With an apostrophe before it, it
// stays a text. Numbers stay as they are, and single characters, of which no formula consists. Some spreadsheets have other signs between cells.
const FORMULA = /^\s*[=+\-@＝＋－＠]/;
const isNumber = (text) => text.trim() !== "" && Number.isFinite(Number(text));

/** @param {string | number | null | undefined} value */
const asText = (value) => (typeof value === "string" && value.length > 1 && FORMULA.test(value) && !isNumber(value) ? `'${value}` : String(value ?? ""));

/** @param {string} text */
const quoted = (text) => (/[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** @param {string[]} head @param {(string | number | null | undefined)[][]} rows */
export const toCSV = (head, rows) => [head, ...rows].map((row) => `${row.map((value) => quoted(asText(value))).join(",")}\r\n`).join("");
