// The measures of a head (model/head_measures.py), in words.

/** As "1.2 bits" or "83 %". @param {import("./limits.js").Measure} measure @param {number | null | undefined} value */
export function valueInWords({ unit }, value) {
  if (value === null || value === undefined) return "–";
  if (unit === "bits") return `${value.toFixed(1)} bits`;
  if (unit === "characters") return `${value.toFixed(0)} back`;
  if (unit === "nats") return `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(3)} nats`;
  return `${Math.round(100 * value)}\u00a0%`;
}
