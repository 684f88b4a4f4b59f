// The choice of a moment: now, after a while, or at a time of the visitor's clock.

import { now } from './clock.js';
import { Faults } from './dialog.js';
import { $ } from './dom.js';
import { localInput } from './time.js';

const day = 24 * 3600 * 1000;

export class When {
	#field;
	#select;
	#input;

	/** field is the element with data-field. */
	constructor(field) {
		this.#field = field.dataset.field;
		this.#select = $('select', field);
		this.#input = $('input', field);
		this.#select.addEventListener('change', () => this.#show());
		this.#select.form.addEventListener('reset', () => queueMicrotask(() => { this.#input.hidden = true; })); // the event comes before the reset
	}

	#show() {
		const at = this.#select.value === 'at';
		this.#input.hidden = !at;
		if (!at) return;
		this.#input.min = localInput(now());
		if (!this.#input.value) this.#input.value = localInput(now() + day);
	}

	/** The moment in milliseconds; -Infinity for now, Infinity for never. Throws Faults. */
	read() {
		const choice = this.#select.value;
		if (choice === '') return Infinity;
		if (choice === '0') return -Infinity;
		if (choice !== 'at') return now() + Number(choice) * 1000;
		const at = new Date(this.#input.value).getTime();
		if (Number.isNaN(at)) throw this.#fault('Give a whole date and time.');
		if (at <= now()) throw this.#fault('This time is past. Choose one that is to come.');
		return at;
	}

	/** read, as whole seconds from now, 0 for now. */
	readSeconds() { return Math.max(0, Math.ceil((this.read() - now()) / 1000)); }

	#fault(text) { return new Faults({ field: this.#field, text }); }
}
