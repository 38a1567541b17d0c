// What the page's scripts find in the browser besides the web platform itself, for the type checker.

/** The element and the properties of a gr.HTML component, in the scripts that Gradio runs for it. */
declare const element: HTMLElement;
declare const props: Record<string, any>;

interface Window {
  soliloquy: Record<string, any>;
}

/** Objects of our own dispatch custom events: `detail` is whatever the sender gave. */
interface EventTarget {
  addEventListener(type: string, listener: (event: CustomEvent) => void, options?: AddEventListenerOptions | boolean): void;
}
