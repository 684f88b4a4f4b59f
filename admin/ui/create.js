// Creating a key.

import * as api from './api.js';
import { fields } from './attributes.js';
import { Chips } from './chips.js';
import { open, wire } from './dialog.js';
import { $ } from './dom.js';
import { suggestChannels, suggestScopes } from './known.js';

/**
 * Returns the function that opens the form. done is called with {key, token}, the sales channels that the key was to have, and the
 * error if they could not be linked: the key is there all the same.
 */
export function createDialog(done) {
	const dialog = $('#create'), form = $('form', dialog);
	const attributes = fields(form, 'create'), channels = new Chips($('#create-channels'));
	const isPublishable = () => form.elements.type.value === 'publishable';
	const arrange = () => { $('[data-field=sales_channels]', form).hidden = !isPublishable(); };
	form.addEventListener('reset', () => queueMicrotask(arrange)); // the event comes before the reset
	form.addEventListener('change', ({ target }) => {
		arrange();
		if (target.name === 'type' && isPublishable()) suggestChannels();
	});

	wire(dialog, {
		read: () => ({
			body: { type: form.elements.type.value, ...attributes.read() },
			channels: isPublishable() ? channels.words : [],
		}),
		async send({ body, channels: wanted }) {
			const made = await api.create(body);
			try {
				if (wanted.length > 0) await api.link(made.key.id, wanted, []);
				return [made, wanted];
			} catch (error) {
				return [made, wanted, error];
			}
		},
		done: (made) => done(...made),
		lost: 'Whether the key was made is not known: look for it in the list before you try again. One whose token nobody has seen can be revoked and deleted.',
	});
	return () => {
		suggestScopes();
		open(dialog);
		$('#create-title').focus();
	};
}
