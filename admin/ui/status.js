// The status of a key, as Key.Check in package store decides it, in words.

import { relative } from './time.js';

const week = 7 * 24 * 3600 * 1000;

/** Returns {name, text, at}: name is active, ending (within a week), expired or revoked; at is when that happens or happened, or ''. */
export function statusOf(key, now) {
	const revoked = key.revoked_at ? Date.parse(key.revoked_at) : Infinity;
	const expires = key.expires_at ? Date.parse(key.expires_at) : Infinity;
	if (revoked <= now) return { name: 'revoked', text: 'Revoked', at: key.revoked_at };
	if (expires <= now) return { name: 'expired', text: 'Expired', at: key.expires_at };
	const end = Math.min(revoked, expires);
	if (end === Infinity) return { name: 'active', text: 'Active', at: '' };
	return {
		name: end - now <= week ? 'ending' : 'active',
		text: `${revoked <= expires ? 'Ends' : 'Expires'} ${relative(end, now)}`,
		at: revoked <= expires ? key.revoked_at : key.expires_at,
	};
}

/**
 * The filter of the list for a choice of #filter-status, in Medusa's language. It has no brackets around "or", so each way in which the
 * conditions can hold is written out. "now" is the server's.
 */
export function statusFilter(choice, now) {
	const days = choice.match(/^ends-(\d+)$/)?.[1];
	const soon = days && { $gt: 'now', $lte: new Date(now + days * 24 * 3600 * 1000).toISOString() };
	const past = { $lte: 'now' }, ahead = { $gt: 'now' }, never = 'null';
	switch (choice) {
		case 'active':
			return anyOf([never, never], [never, ahead], [ahead, never], [ahead, ahead]);
		case 'expired':
			return anyOf([never, past], [ahead, past]);
		case 'revoked':
			return conditions('revoked_at', past);
		default:
			return soon ? anyOf([soon, never], [soon, ahead], [never, soon], [ahead, soon]) : [];
	}
}

/** Each way is [what is asked of revoked_at, what of expires_at]. */
const anyOf = (...ways) => ways.flatMap(([revoked, expires], i) =>
	[...conditions(`$or[${i}][revoked_at]`, revoked), ...conditions(`$or[${i}][expires_at]`, expires)]);

const conditions = (name, asked) =>
	(typeof asked === 'string' ? [[name, asked]] : Object.entries(asked).map(([operator, value]) => [`${name}[${operator}]`, value]));
