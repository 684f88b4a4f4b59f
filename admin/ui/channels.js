// The sales channels of a publishable key.

import * as api from './api.js';
import { Chips } from './chips.js';
import { open, tell, wire } from './dialog.js';
import { $, title } from './dom.js';
import { suggestChannels } from './known.js';

/**
 * Returns the function that opens the form for a key. With the ids of channels and an error it begins where linking them has failed. done is
 * called with the key as it is then.
 */
export function channelsDialog(done) {
	const dialog = $('#channels'), chips = new Chips($('#channels-chips'));
	let key = null;
	const form = wire(dialog, {
		read() {
			const had = key.sales_channels.map((channel) => channel.id), wanted = chips.words;
			return { add: wanted.filter((id) => !had.includes(id)), remove: had.filter((id) => !wanted.includes(id)) };
		},
		send: ({ add, remove }) => api.link(key.id, add, remove),
		done,
		lost: 'Trying again does no harm.',
	});
	form.addEventListener('reset', () => { key = null; });
	return (of, wanted, error) => {
		if (wanted || key?.id !== of.id) chips.words = wanted ?? of.sales_channels.map((channel) => channel.id);
		key = of;
		$('[data-about]', dialog).replaceChildren(title(of.title));
		suggestChannels();
		open(dialog);
		$('#channels-input').focus();
		if (error) tell(form, error);
	};
}
