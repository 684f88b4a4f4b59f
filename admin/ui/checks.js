// What is plainly wrong with a field, told before anything is sent. The server has the last word.

import { Faults } from './dialog.js';

export function readTitle(input) {
	const title = input.value.trim();
	if (title === '') throw new Faults({ field: 'title', text: 'Give the key a title, so that it is known again.' });
	return title;
}

/** Scopes are as RFC 6749, section 3.3, has them. */
export function readScopes(scopes) {
	if (scopes.length === 0) throw new Faults({ field: 'scopes', text: 'Name at least one scope, or choose full access.' });
	const wrong = scopes.find((scope) => !/^[!#-[\]-~]{1,100}$/.test(scope));
	if (wrong) throw new Faults({ field: 'scopes', text: `“${wrong}” is no scope: 1 to 100 visible ASCII characters, without " and \\.` });
	return scopes;
}
