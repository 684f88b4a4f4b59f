// Changing what a key is called and described as.

import * as api from './api.js';
import { fields } from './attributes.js';
import { open, wire } from './dialog.js';
import { $ } from './dom.js';

/** Returns the function that opens the form for a key. done is called with the key as it is then. */
export function editDialog(done) {
	const dialog = $('#edit'), attributes = fields($('form', dialog), 'edit');
	let key = null;
	const form = wire(dialog, {
		read: () => Object.entries(attributes.read()).filter(([name, value]) => value !== (key[name] ?? null)),
		send: (changed) => (changed.length > 0 ? api.update(key.id, Object.fromEntries(changed)) : api.get(key.id)),
		done,
		lost: 'Trying again does no harm.',
	});
	form.addEventListener('reset', () => { key = null; });
	return (of) => {
		if (key?.id !== of.id) attributes.fill(of);
		key = of;
		open(dialog);
		$('#edit-title').select();
	};
}
