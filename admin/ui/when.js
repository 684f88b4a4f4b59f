// The choice of a moment: now, after a while, or at a time of the visitor's clock.

import { now } from './clock.js';
import { Faults } from './dialog.js';
import { h } from './dom.js';
import { localInput } from './time.js';

const day = 24 * 3600 * 1000;

/** Choices of when a key ends: seconds from now, and how they are called. */
export const endings = [[0, 'Now'], [3600, 'In an hour'], [86400, 'In a day'], [604800, 'In 7 days'], [2592000, 'In 30 days']];

/** Choices of when a key expires; '' is never. */
export const expiries = [['', 'Never'], [604800, 'In 7 days'], [2592000, 'In 30 days'], [7776000, 'In 90 days'], [31536000, 'In a year']];

export class When {
	#field;
	#select;
	#input;

	/** Fills the element with data-field. The choices are [value, text], chosen is the value that stands there at first. */
	constructor(field, label, choices, chosen = choices[0][0]) {
		this.#field = field.dataset.field;
		const id = `${field.closest('dialog').id}-when`, told = `${id}-error`;
		this.#select = h('select', { id, 'aria-describedby': told },
			[...choices, ['at', 'At a time …']].map(([value, text]) => h('option', { value: String(value), selected: value === chosen, text })));
		this.#input = h('input', { type: 'datetime-local', 'aria-label': `${label} at (your local time)`, 'aria-describedby': told, hidden: true });
		field.append(h('label', { for: id, text: label }), h('div', { class: 'when' }, this.#select, this.#input), h('p', { class: 'error', id: told }));
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
