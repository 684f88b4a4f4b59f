// Deleting a revoked key.

import * as api from './api.js';
import { open, wire } from './dialog.js';
import { $, h, title } from './dom.js';

/** Returns the function that opens the form for a key. done is called with the key that is gone. */
export function deleteDialog(done) {
	const dialog = $('#delete');
	let key = null;
	const form = wire(dialog, {
		read: () => key,
		async send(of) {
			await api.remove(of.id);
			return of;
		},
		done,
		lost: 'Trying again does no harm.',
	});
	form.addEventListener('reset', () => { key = null; });
	return (of) => {
		key = of;
		$('[data-about]', dialog).replaceChildren(title(of.title), ' ', h('code', { text: of.redacted }), h('br'),
			'It is taken off the list for good. The audit log keeps that it was there.');
		open(dialog);
		$('[data-cancel]', dialog).focus();
	};
}
