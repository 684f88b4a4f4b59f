// What is plainly wrong with a field, told before anything is sent. The server has the last word.

import { Faults } from './dialog.js';

const longestTitle = 1024; // bytes
// A secret key, or most of one: the server finds it by its checksum, which is more than this page has to know.
const secretKey = /sk_(?:[a-z][a-z0-9]{1,11}_)?[0-9A-Za-z]{43}/;

/** Whether a text holds a secret key. Such a text must not be put into an address: servers and proxies log those. */
export const holdsSecret = (text) => secretKey.test(text);

export function readTitle(input) {
	const title = input.value.trim();
	const fault = (text) => { throw new Faults({ field: 'title', text }); };
	if (title === '') fault('Give the key a title, so that it is known again.');
	if (new TextEncoder().encode(title).length > longestTitle) fault('This title is too long.');
	if (holdsSecret(title)) fault('This title holds a secret key. Remove it.');
	return title;
}

/** Scopes are as RFC 6749, section 3.3, has them. */
export function readScopes(scopes) {
	if (scopes.length === 0) throw new Faults({ field: 'scopes', text: 'Name at least one scope, or choose full access.' });
	const wrong = scopes.find((scope) => !/^[!#-[\]-~]{1,100}$/.test(scope));
	if (wrong) throw new Faults({ field: 'scopes', text: `“${wrong}” is no scope: 1 to 100 visible ASCII characters, without " and \\.` });
	return scopes;
}
