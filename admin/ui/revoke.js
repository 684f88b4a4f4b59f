// Ending a key, now or later.

import * as api from './api.js';
import { now } from './clock.js';
import { open, wire } from './dialog.js';
import { $, h, title } from './dom.js';
import { isSelf } from './session.js';
import { endings, When } from './when.js';

/** Returns the function that opens the form for a key. done is called with the key as it is then. */
export function revokeDialog(done) {
	const dialog = $('#revoke'), when = new When($('.field', dialog), 'It stops working', endings);
	let key = null;
	const form = wire(dialog, {
		read: () => when.readSeconds(),
		send: revoke,
		done,
		lost: 'Trying again does no harm.',
	});
	form.addEventListener('reset', () => { key = null; });

	/** A key that somebody else has revoked meanwhile, or that a lost answer was about, is what was wanted. */
	async function revoke(seconds) {
		try {
			return await api.revoke(key.id, seconds);
		} catch (error) {
			if (!(error instanceof api.Refused) || !/already revoked/.test(error.message)) throw error;
			const current = await api.get(key.id);
			if (!(Date.parse(current.revoked_at) <= now() + 2000)) throw error;
			return current;
		}
	}

	return (of) => {
		if (key?.id !== of.id) form.reset();
		key = of;
		$('[data-about]', dialog).replaceChildren(title(of.title), ' ', h('code', { text: of.redacted }), h('br'),
			'Requests with it are refused from then on, on every server. This cannot be taken back.',
			isSelf(of.id) ? h('b', { text: ' It is the key that you are signed in with.' }) : '');
		open(dialog);
		$('select', dialog).focus();
	};
}
