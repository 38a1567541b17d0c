// Tables as files, as RFC 4180 has them.
const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** @param {string[]} head @param {(string | number | null | undefined)[][]} rows */
export const toCSV = (head, rows) => [head, ...rows].map((row) => `${row.map((value) => quoted(String(value ?? ""))).join(",")}\r\n`).join("");
