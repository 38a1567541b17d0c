// What a page does otherwise on a phone.

/** Whether the page is as narrow as on a phone: 40rem, see page.css. */
export const isPhone = () => matchMedia("(width < 640px)").matches;
