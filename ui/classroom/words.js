// What is said of rounds and votes in words.

/** @type {[number, string][]} the least temperature of each */
const TEMPERATURES = [
  [1.25, "wild: unlikely characters come often"],
  [1.01, "bold: unlikely characters come more often than the model has learned"],
  [0.99, "as the model has learned"],
  [0.7, "a little careful: likely characters come more often"],
  [0.01, "careful: hardly anything but likely characters"],
  [0, "no dice: always the likeliest character"],
];

/** @param {number} temperature */
export const temperatureInWords = (temperature) => TEMPERATURES.find(([least]) => temperature >= least)[1];

/** "on 7 of 10": how many of all. @param {number} some @param {number} all */
export const shareInWords = (some, all) => `${all ? Math.round((100 * some) / all) : 0}\u00a0%`;
