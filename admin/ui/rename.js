// Renaming a key.

import * as api from './api.js';
import { readTitle } from './checks.js';
import { open, wire } from './dialog.js';
import { $ } from './dom.js';

/** Returns the function that opens the form for a key. done is called with the key as it is then. */
export function renameDialog(done) {
	const dialog = $('#rename'), input = $('#rename-title');
	let key = null;
	const form = wire(dialog, {
		read: () => readTitle(input),
		send: (title) => api.rename(key.id, title),
		done,
		lost: 'Trying again does no harm.',
	});
	form.addEventListener('reset', () => { key = null; });
	return (of) => {
		if (key?.id !== of.id) input.value = of.title;
		key = of;
		open(dialog);
		input.select();
	};
}
