// A field that holds a list of words: each one typed becomes a chip with a button that takes it away.

import { $, h, icon } from './dom.js';

export class Chips {
	#place;
	#list;
	#input;
	#words = [];

	constructor(place) {
		this.#place = place;
		this.#list = $('ul', place);
		this.#input = $('input', place);
		this.#input.addEventListener('input', () => this.#split());
		this.#input.addEventListener('keydown', (event) => this.#key(event));
		this.#input.addEventListener('blur', () => this.#take(this.#input.value));
		place.closest('form').addEventListener('reset', () => { this.words = []; });
		place.addEventListener('click', (event) => { if (event.target === place || event.target === this.#list) this.#input.focus(); });
	}

	/** The words, with what is still being typed. */
	get words() {
		this.#take(this.#input.value);
		return [...this.#words];
	}

	set words(words) {
		this.#input.value = '';
		this.#words = [...words];
		this.#draw();
	}

	/** Takes what stands before a separator, so that a list can be pasted. */
	#split() {
		const parts = this.#input.value.split(/[\s,]+/);
		if (parts.length === 1) return;
		const rest = parts.pop();
		this.#add(parts);
		this.#input.value = rest;
	}

	#take(text) {
		if (!text.trim()) return;
		this.#input.value = '';
		this.#add(text.split(/[\s,]+/));
	}

	#add(words) {
		this.#words = [...new Set([...this.#words, ...words.filter(Boolean)])];
		this.#draw();
	}

	#key(event) {
		if (event.isComposing) return;
		if (event.key === 'Enter' && this.#input.value.trim()) {
			event.preventDefault(); // the first Enter makes a chip, the second sends the form
			this.#take(this.#input.value);
		}
		if (event.key === 'Backspace' && !this.#input.value && this.#words.length > 0) this.#drop(this.#words.at(-1));
	}

	#drop(word) {
		this.#words = this.#words.filter((w) => w !== word);
		this.#draw();
		this.#place.dispatchEvent(new Event('input', { bubbles: true }));
		this.#input.focus();
	}

	/** Chips that stay are left as they are: one may be about to be clicked when the field is left and takes its last word. */
	#draw() {
		for (const chip of [...this.#list.children]) if (!this.#words.includes(chip.dataset.word)) chip.remove();
		const shown = [...this.#list.children].map((chip) => chip.dataset.word);
		this.#list.append(...this.#words.filter((word) => !shown.includes(word)).map((word) => h('li', { class: 'chip', 'data-word': word }, h('bdi', { text: word }),
			h('button', { type: 'button', 'aria-label': `Remove ${word}`, onclick: () => this.#drop(word) }, icon('close')))));
	}
}
