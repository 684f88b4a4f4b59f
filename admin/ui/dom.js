// Elements from data. Nothing here, or anywhere in this page, reads a text as HTML; the policy that the page is served with
// (require-trusted-types-for) makes the browser refuse it too.

export const $ = (selector, within = document) => within.querySelector(selector);

/** Makes an element. Properties are attributes, but for class, text and on…; children are elements or texts, null is none. */
export function h(name, properties = {}, ...children) {
	const element = document.createElement(name);
	for (const [key, value] of Object.entries(properties)) {
		if (key === 'text') element.textContent = value;
		else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
		else if (value !== false && value != null) element.setAttribute(key, value === true ? '' : value);
	}
	element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
	return element;
}

/** An icon of the sprite in index.html. */
export function icon(name) {
	const ns = 'http://www.w3.org/2000/svg';
	const svg = document.createElementNS(ns, 'svg'), use = document.createElementNS(ns, 'use');
	svg.setAttribute('class', 'icon');
	svg.setAttribute('aria-hidden', 'true');
	use.setAttribute('href', `#icon-${name}`);
	svg.append(use);
	return svg;
}

/** A title that somebody typed: its own direction of writing does not spill into what stands beside it. */
export const title = (text) => h('bdi', text ? { text } : { class: 'muted', text: 'Untitled' });

let silence = 0;

/** Says something for a while, to people who see and to those who listen: in the dialog on top, or else on the page. */
export function say(text) {
	const top = [...document.querySelectorAll('dialog[open]')].filter((dialog) => $('[data-said]', dialog)).at(-1) ?? $('#main');
	hush();
	$('[data-said]', top).textContent = text;
	silence = setTimeout(hush, 10_000);
}

/** Takes back what was said. */
export function hush() {
	clearTimeout(silence);
	for (const said of document.querySelectorAll('[data-said]')) said.textContent = '';
}
