// Dialogs: what has the focus after one is closed, and forms in them.

import { Lost, SignedOut } from './api.js';
import { $ } from './dom.js';
import { explain, explainWhole } from './explain.js';

/**
 * Opens a dialog. When it is closed, then is called, or the focus goes back to what had it: the browser's own way of doing so fails where
 * that is gone or hidden by then.
 */
export function open(dialog, then) {
	const opener = document.activeElement;
	dialog.addEventListener('close', () => {
		if (then) then();
		else (opener.isConnected && opener.checkVisibility() ? opener : $('dialog[open] h2[tabindex]') ?? $('#heading')).focus();
	}, { once: true });
	dialog.showModal();
}

/** Wires [data-close], and a click beside the dialog, to closing it. */
export function closable(dialog) {
	$('[data-close]', dialog).addEventListener('click', () => dialog.close());
	dialog.addEventListener('pointerdown', (event) => { if (event.target === dialog) dialog.close(); });
}

/**
 * Wires the form in a dialog. read returns what is to be sent, or throws a Faults; send sends it; done is given the answer after the
 * dialog has closed. What was typed stays until it has been sent or Cancel was pressed: closing with Escape keeps it. lost is what is to be
 * said when there was no answer to a change that may have happened all the same.
 */
export function wire(dialog, { read, send, done, lost = '' }) {
	const form = $('form', dialog), submit = $('[type=submit]', form), label = submit.textContent;
	let busy = false;
	const work = (on) => {
		busy = on;
		submit.setAttribute('aria-disabled', on);
		if (on) submit.textContent = submit.dataset.busy ?? label;
		else submit.textContent = label;
	};
	form.addEventListener('submit', async (event) => {
		event.preventDefault();
		if (busy) return;
		clearFaults(form);
		let answer;
		try {
			const wanted = read();
			work(true);
			answer = await send(wanted);
		} catch (error) {
			work(false);
			tell(form, error, lost);
			if (error instanceof Lost) submit.textContent = 'Try again';
			return;
		}
		work(false);
		dialog.close();
		form.reset();
		done(answer);
	});
	dialog.addEventListener('cancel', (event) => { if (busy) event.preventDefault(); });
	form.addEventListener('input', (event) => clearFault(event.target.closest('.field')));
	$('[data-cancel]', form)?.addEventListener('click', () => {
		if (busy) return;
		dialog.close();
		form.reset();
	});
	form.addEventListener('reset', () => {
		clearFaults(form);
		submit.textContent = label;
	});
	return form;
}

/** What is wrong with a form, found before it was sent: [{field, text}]. */
export class Faults extends Error {
	constructor(...faults) {
		super('the form has faults');
		this.faults = faults;
	}
}

/** Runs each of the readers and returns their values, or throws all of their Faults together. */
export function all(...readers) {
	const faults = [];
	const values = readers.map((read) => {
		try {
			return read();
		} catch (error) {
			if (!(error instanceof Faults)) throw error;
			faults.push(...error.faults);
		}
	});
	if (faults.length > 0) throw new Faults(...faults);
	return values;
}

/** Shows what went wrong: next to the fields that it is about, and below them what is about none. lost is added where there was no answer. */
export function tell(form, error, lost = '') {
	showFaults(form, error instanceof Faults ? error.faults : explain(error, fieldNames(form)), error instanceof Lost ? lost : '');
}

const fieldNames = (form) => [...form.querySelectorAll('[data-field]')].filter((f) => !f.hidden).map((f) => f.dataset.field);

function showFaults(form, faults, more) {
	const whole = [];
	let first = null;
	for (const { field, text } of faults) {
		const place = field && $(`[data-field="${field}"]`, form);
		if (!place) {
			whole.push(text);
			continue;
		}
		const said = $('.error', place);
		said.textContent = said.textContent ? `${said.textContent} ${text}` : text;
		place.classList.add('faulty');
		const inputs = [...place.querySelectorAll('input, select, textarea')].filter((input) => input.checkVisibility());
		for (const input of inputs) input.setAttribute('aria-invalid', 'true');
		first ??= inputs.find((input) => input.matches('[type=text], [type=password], [type=datetime-local]')) ?? inputs[0];
	}
	$('.form-error', form).textContent = [...whole, more].filter(Boolean).join(' ');
	first?.focus();
}

function clearFault(place) {
	if (!place?.classList.contains('faulty')) return;
	place.classList.remove('faulty');
	$('.error', place).textContent = '';
	for (const input of place.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
}

export function clearFaults(form) {
	for (const place of form.querySelectorAll('.faulty')) clearFault(place);
	$('.form-error', form).textContent = '';
}

/** Runs what a button asks for outside of a form, and tells what went wrong in the element. */
export async function attempt(told, what) {
	told.textContent = '';
	try {
		return await what();
	} catch (error) {
		if (!(error instanceof SignedOut)) told.textContent = explainWhole(error);
		return undefined;
	}
}
