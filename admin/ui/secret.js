// The token of a new key. A secret one is on the screen once: closing asks again while it has not been copied.

import { copy } from './copy.js';
import { open } from './dialog.js';
import { $, h, say } from './dom.js';

const dialog = $('#secret'), token = $('#secret-token'), done = $('#secret-done'), warned = $('#secret-error');
let unsaved = false;

$('#secret-copy').addEventListener('click', async () => {
	warned.textContent = '';
	if (await copy(token.textContent, token)) {
		unsaved = false;
		done.textContent = 'Done';
		say('Copied. Store it where secrets are kept.');
	} else {
		unsaved = false; // it is in front of them, and theirs to take
		token.focus();
		say('The browser does not let this page copy. The token is selected: copy it with Ctrl+C or ⌘C.');
	}
});
token.addEventListener('copy', () => { unsaved = false; });
done.addEventListener('click', () => {
	if (unsaved && warned.textContent === '') {
		warned.textContent = 'You have not copied the token. It is never shown again.';
		done.textContent = 'Close without copying';
		return;
	}
	dialog.close();
});
dialog.addEventListener('cancel', (event) => { if (unsaved) event.preventDefault(); });
dialog.addEventListener('close', () => {
	token.textContent = '';
	unsaved = false;
});
addEventListener('beforeunload', (event) => { if (unsaved) event.preventDefault(); });

/** Shows the token of a new key; after is called when the visitor is done with it. */
export function show({ key, token: text }, heading, more, after) {
	const secret = key.type === 'secret';
	$('#secret-heading').textContent = heading;
	$('#secret-text').replaceChildren(
		secret ? h('b', { text: 'Copy the token now: it is shown this once and kept nowhere. ' }) : 'The token is public, and can be looked up here at any time. ', more);
	token.textContent = text;
	warned.textContent = '';
	done.textContent = 'Done';
	unsaved = secret;
	open(dialog, after);
	$('#secret-copy').focus();
}

