// What is plainly wrong with a field, told before anything is sent. The server has the last word.

import { Faults } from './dialog.js';

const longestText = 1024; // bytes, of a title and of a description
// A secret key, or most of one: the server finds it by its checksum, which is more than this page has to know.
const secretKey = /sk_(?:[a-z][a-z0-9]{1,11}_)?[0-9A-Za-z]{43}/;

/** Whether a text holds a secret key. Such a text must not be put into an address: servers and proxies log those. */
export const holdsSecret = (text) => secretKey.test(text);

/** The text of a field with that name. */
export function readText(input, field) {
	const text = input.value.trim();
	const fault = (what) => { throw new Faults({ field, text: `This ${field} ${what}` }); };
	if (new TextEncoder().encode(text).length > longestText) fault('is too long.');
	if (holdsSecret(text)) fault('holds a secret key. Remove it.');
	return text;
}

export function readTitle(input) {
	if (input.value.trim() === '') throw new Faults({ field: 'title', text: 'Give the key a title, so that it is known again.' });
	return readText(input, 'title');
}

/** Scopes are as RFC 6749, section 3.3, has them. */
export function readScopes(scopes) {
	if (scopes.length === 0) throw new Faults({ field: 'scopes', text: 'Name at least one scope, or choose full access.' });
	const wrong = scopes.find((scope) => !/^[!#-[\]-~]{1,100}$/.test(scope));
	if (wrong) throw new Faults({ field: 'scopes', text: `“${wrong}” is no scope: 1 to 100 visible ASCII characters, without " and \\.` });
	return scopes;
}
