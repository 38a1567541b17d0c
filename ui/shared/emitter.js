// Something whose events carry a detail.
export class Emitter extends EventTarget {
  /**
   * @param {string} event
   * @param {(event: CustomEvent<any>) => void} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(event, listener, options) {
    super.addEventListener(event, /** @type {EventListener} */ (listener), options);
  }

  /** @param {string} event @param {*} [detail] */
  tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}
