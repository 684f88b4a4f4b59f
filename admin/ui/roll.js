// Replacing a key by a new one.

import * as api from './api.js';
import { open, wire } from './dialog.js';
import { $, h, title } from './dom.js';
import { isSelf } from './session.js';
import { endings, When } from './when.js';

/** Returns the function that opens the form for a key. done is called with {key, token} of the new one and the id of the old. */
export function rollDialog(done) {
	const dialog = $('#roll'), when = new When($('.field', dialog), 'The old token ends', endings, 86400);
	let key = null;
	const form = wire(dialog, {
		read: () => when.readSeconds(),
		send: async (seconds) => [await api.roll(key.id, seconds), key.id],
		done: ([made, old]) => done(made, old),
		lost: 'Whether the key was rolled is not known: look for a new key of its title in the list before you try again.',
	});
	form.addEventListener('reset', () => { key = null; });
	return (of) => {
		if (key?.id !== of.id) form.reset();
		key = of;
		$('[data-about]', dialog).replaceChildren(title(of.title), ' ', h('code', { text: of.redacted }), h('br'),
			'A new key takes its place, with the same rights. The old token goes on working until then, so that you have the time to exchange it.',
			isSelf(of.id) ? h('b', { text: ' It is the key that you are signed in with: this page goes on with the new one.' }) : '');
		open(dialog);
		$('select', dialog).focus();
	};
}
