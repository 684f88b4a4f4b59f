// Who is signed in. The sign-in form is a dialog that nothing closes but signing in: at first over an empty page, and over whatever there is
// when the key stops being accepted, so that nothing typed is lost.

import * as api from './api.js';
import { attempt, clearFaults, Faults, wire } from './dialog.js';
import { $, h, title } from './dom.js';

const dialog = $('#sign-in'), why = $('[data-why]', dialog);
let self = null;

/** Whether the id is that of the key in use. */
export const isSelf = (id) => self?.id === id;

/** A roll replaced the key in use: go on with its successor. */
export function succeed({ key, token }) {
	api.useKey(token);
	show(key);
}

/** Starts the page. onSignIn is called when somebody has signed in, onSignOut when somebody has signed out. */
export function start(onSignIn, onSignOut) {
	const signedIn = (key) => {
		show(key);
		why.hidden = true;
		$('#app').hidden = false;
		if (dialog.classList.contains('first')) $('#heading').focus();
		dialog.classList.remove('first');
		onSignIn();
	};
	const form = wire(dialog, { read: readToken, send: signIn, done: signedIn });
	$('#sign-in-staff').addEventListener('click', async () => {
		clearFaults(form);
		const done = await attempt($('.form-error', form), async () => {
			try {
				await api.signInAsStaff();
				return true;
			} catch (error) {
				if (!(error instanceof api.SignedOut)) throw error;
				$('.form-error', form).textContent = 'This site knows of no login of yours that may manage keys. Sign in with a secret key.';
				return false;
			}
		});
		if (!done) return;
		dialog.close();
		form.reset();
		signedIn(null);
	});
	dialog.addEventListener('close', () => { if (!api.isSignedIn()) ask(); }); // some browsers let a second Escape through
	api.whenSignedOut(() => {
		api.signOut();
		ask('The key that you signed in with is not accepted any more: it was revoked, or its time is over. Sign in again; what you typed is still here.');
	});
	const signOut = () => {
		api.signOut();
		self = null;
		$('#app').hidden = true;
		$('#whoami').replaceChildren();
		dialog.classList.add('first');
		onSignOut();
		ask();
	};
	$('#sign-out').addEventListener('click', signOut);
	addEventListener('pagehide', signOut); // a page that the browser keeps for its Back button keeps no key
	dialog.classList.add('first');
	ask();
}

function ask(reason = '') {
	why.textContent = reason;
	why.hidden = !reason;
	if (!dialog.open) dialog.showModal();
	$('#sign-in-key').focus();
}

function readToken() {
	const token = $('#sign-in-key').value.trim();
	const fault = (text) => { throw new Faults({ field: 'key', text }); };
	if (token === '') fault('Paste a secret key. It begins with sk_.');
	if (token.startsWith('pk_')) fault('This is a publishable key. Managing keys takes a secret one, which begins with sk_.');
	if (!/^sk_[!-~]+$/.test(token)) fault('This is no secret key: they begin with sk_ and hold neither spaces nor letters beyond ASCII.');
	return token;
}

async function signIn(token) {
	try {
		return await api.signIn(token);
	} catch (error) {
		if (error instanceof api.SignedOut) throw new Faults({ field: 'key', text: error.message });
		throw error;
	}
}

function show(key) {
	self = key;
	$('#whoami').replaceChildren(...(key ? [title(key.title), ' ', h('code', { text: key.redacted })] : ['Your login to this site']));
	const restricted = $('#restricted'), scopes = key?.scopes;
	restricted.hidden = scopes == null;
	restricted.textContent = scopes == null ? '' : `The key that you are signed in with is restricted to ${scopes.length ? `the scopes ${scopes.join(', ')}` : 'no scope at all'}. What goes beyond them is refused.`;
}
