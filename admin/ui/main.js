// Ties the parts of the page together: what happens after what.

import { askFor } from './api.js';
import { own } from './attributes.js';
import { channelsDialog } from './channels.js';
import { now } from './clock.js';
import { createDialog } from './create.js';
import { deleteDialog } from './delete.js';
import * as details from './details.js';
import { $, hush, say } from './dom.js';
import { editDialog } from './edit.js';
import * as known from './known.js';
import * as list from './list.js';
import { revokeDialog } from './revoke.js';
import { rollDialog } from './roll.js';
import * as secret from './secret.js';
import * as session from './session.js';

/** What follows on a change: the key is shown as it is now, and the page says so. */
const changed = (text) => (key) => {
	known.remember([key]);
	list.replace(key);
	list.load();
	details.update(key);
	say(text(key));
};

const edit = editDialog(changed(() => 'Saved.'));
const channels = channelsDialog(changed(() => 'The sales channels are saved.'));
const revoke = revokeDialog(changed((key) => (Date.parse(key.revoked_at) > now() ? 'The revocation is set.' : 'Revoked. The key works nowhere any more.')));

const roll = rollDialog((made, old) => {
	if (session.isSelf(old)) session.succeed(made);
	known.remember([made.key]);
	list.load();
	secret.show(made, 'The key is rolled', 'This is its new token.', () => details.show(made.key));
});

const remove = deleteDialog(() => {
	details.close();
	list.load();
	say('Deleted.');
});

const create = createDialog((made, wanted, error) => {
	known.remember([made.key]);
	const listed = list.load();
	secret.show(made, 'The key is made', error ? 'Its sales channels could not be linked; that comes next.' : '', async () => {
		await listed;
		list.focus(made.key.id);
		if (error) channels(made.key, wanted, error);
	});
});

askFor(own);
list.setUp(details.show);
details.setUp({ edit, channels, roll, revoke, delete: remove });
$('#create-open').addEventListener('click', create);

session.start(list.load, () => {
	for (const dialog of document.querySelectorAll('dialog[open]:not(#sign-in)')) dialog.close();
	for (const form of document.querySelectorAll('dialog form')) form.reset();
	for (const about of document.querySelectorAll('[data-about]')) about.replaceChildren();
	hush();
	list.clear();
	details.clear();
	known.forget();
});
