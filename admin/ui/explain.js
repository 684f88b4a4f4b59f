// What went wrong, in words for people, and next to which field it belongs.

import { Lost, Refused, SignedOut } from './api.js';
import { local } from './time.js';

// The first pattern that is found in the server's message names the field. A form that does not have that field shows the message below
// its fields.
const places = [
	[/[Ff]ield '(\w+)/, null],
	[/[Ff]ield '(?:add|remove)\b/, 'sales_channels'],
	[/sales channel/i, 'sales_channels'],
	[/ends at .* cannot make a key last longer/, ['expires_at', 'revoke_in']],
	[/revoked later than/, 'revoke_in'],
	[/scope/, 'scopes'],
];

/** Returns [{field, text}] for what went wrong with a form; the field is '' where it belongs to none of those that the form has. */
export function explain(error, known) {
	const passing = error instanceof Lost || error.status >= 500 || error.status === 429;
	if (passing) return [{ field: '', text: `${explainWhole(error)} Nothing that you typed is lost.` }];
	if (!(error instanceof Refused) || mayNotAtAll.test(error.message)) return [{ field: '', text: explainWhole(error) }];
	const faults = error.message.startsWith(invalid) ? error.message.slice(invalid.length).split('; ') : [error.message];
	return faults.map((fault) => {
		const field = place(fault, known);
		return { field, text: sentence(field ? fault.replace(/^Field '[^']*' /, 'This ') : fault) };
	});
}

const mayNotAtAll = /does not have the scope '[^']*'$/; // the route itself is not for this key
const invalid = 'Invalid request: ';

function place(text, known) {
	for (const [pattern, to] of places) {
		const found = text.match(pattern);
		if (!found) continue;
		const field = [to ?? found[1]].flat().find((name) => known.includes(name));
		if (field) return field;
	}
	return '';
}

/** One text for an error that belongs to no form. */
export function explainWhole(error) {
	if (error instanceof Lost) return error.message;
	if (error instanceof SignedOut) return 'The key that you signed in with is not accepted any more. Sign in again; what you typed is still here.';
	if (!(error instanceof Refused)) return `This page has a fault: ${error.message}`;
	const wait = error.retryAfter ? `in ${error.retryAfter} seconds` : 'in a moment';
	switch (true) {
		case error.status === 403:
			return `The key that you are signed in with may not do this. ${sentence(error.message)} Sign in with another key.`;
		case error.status === 429:
			return `Too many requests. Try again ${wait}.`;
		case error.status === 503:
			return `The server cannot decide this now; its database may be out of reach. Try again ${wait}.`;
		case error.status >= 500:
			return `The server failed (${error.status}); its log has the reason. Try again ${wait}.`;
		default:
			return sentence(error.message);
	}
}

/** Ends with a full stop, and tells times as the rest of the page does. */
const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, local);
