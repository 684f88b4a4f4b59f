// What is plainly wrong with a field, told before anything is sent. The server has the last word.

import { Faults } from './dialog.js';

const longestTitle = 100_000; // bytes of JSON: with the rest of the form, the server takes no more

export function readTitle(input) {
	const title = input.value.trim();
	const fault = (text) => { throw new Faults({ field: 'title', text }); };
	if (title === '') fault('Give the key a title, so that it is known again.');
	if (new TextEncoder().encode(JSON.stringify(title)).length > longestTitle) fault('This title is too long.');
	return title;
}

/** Scopes are as RFC 6749, section 3.3, has them. */
export function readScopes(scopes) {
	if (scopes.length === 0) throw new Faults({ field: 'scopes', text: 'Name at least one scope, or choose full access.' });
	const wrong = scopes.find((scope) => !/^[!#-[\]-~]{1,100}$/.test(scope));
	if (wrong) throw new Faults({ field: 'scopes', text: `“${wrong}” is no scope: 1 to 100 visible ASCII characters, without " and \\.` });
	return scopes;
}
