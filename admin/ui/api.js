// The admin routes, as this page uses them. The secret key lives in this module's memory and nowhere else.

import { now, setClock } from './clock.js';

/** The server said no. */
export class Refused extends Error {
	constructor(status, body, retryAfter) {
		super(typeof body?.message === 'string' && body.message ? body.message : `The server answered ${status}.`);
		this.status = status;
		this.type = body?.type ?? '';
		this.retryAfter = retryAfter;
	}
}

/** There was no answer, or none that could be understood: whether a change was made is not known. */
export class Lost extends Error {}

/** No longer signed in: the key is not accepted. */
export class SignedOut extends Error {}

const patience = 20_000; // milliseconds; a change waits for every instance, and a database may be slow
const root = new URL(location.pathname.endsWith('/') ? '..' : '.', location.href);

let signedIn = false;
let authorization = null; // null while signed in: by a login of the site, of which its cookies tell
let onSignedOut = () => {};
let attributes = ''; // of keys, as the routes' parameter fields

/** Names what happens when the key is not accepted any more. */
export function whenSignedOut(then) { onSignedOut = then; }

/** Names the attributes of keys to ask for, beside what answers show anyway. */
export function askFor(names) { attributes = names.map((name) => `+${name}`).join(); }

export const isSignedIn = () => signedIn;

export function signOut() {
	signedIn = false;
	authorization = null;
}

/** Uses another token from now on: the one that a roll gave to the key in use. */
export function useKey(token) { authorization = basic(token); }

/** Returns the key that the token belongs to, and uses it from now on; throws SignedOut when it is not accepted. */
export async function signIn(token) {
	const { api_key: self } = await send('GET', `api-keys/self?${fields()}`, undefined, basic(token));
	authorization = basic(token);
	signedIn = true;
	return self;
}

/** Uses the visitor's login to the site, where the app has named its staff to the admin routes (admin.Config.Actor). */
export async function signInAsStaff() {
	await send('GET', 'api-keys?limit=1', undefined, null);
	authorization = null;
	signedIn = true;
}

/** Returns {api_keys, count}. The filter is a list of [name, value] pairs of the query. */
export const list = (filter, order, limit, offset, signal) =>
	ask('GET', `api-keys?${fields()}&${new URLSearchParams([...filter, ['order', order], ['limit', limit], ['offset', offset]])}`, undefined, signal);

export const get = async (id) => (await ask('GET', `${path(id)}?${fields()}`)).api_key;

export const events = (id, after) => ask('GET', `${path(id)}/events?limit=50&after=${after}`);

/** Returns {key, token}. */
export const create = async (body) => apart(await ask('POST', `api-keys?${fields()}`, body));

export const update = (id, patch) => change(id, '', patch);

export const revoke = (id, seconds) => change(id, '/revoke', { revoke_in: seconds });

export const link = (id, add, remove) => change(id, '/sales-channels', { add, remove });

/** Returns {key, token} of the new key. */
export const roll = async (id, seconds) => apart(await ask('POST', `${path(id)}/roll?${fields()}`, { revoke_in: seconds }));

export const remove = (id) => ask('DELETE', path(id));

/**
 * The sales channels of the shop, for suggestions: Medusa's GET …/sales-channels, which the app beside this page may have or not. Without
 * it there are none.
 */
export async function salesChannels() {
	try {
		const answer = await send('GET', 'sales-channels', undefined, authorization);
		return Array.isArray(answer.sales_channels) ? answer.sales_channels : [];
	} catch {
		return [];
	}
}

/** Takes the token of a new secret key out of the key, so that it is not shown or kept with it. Sales channels are not in such an answer. */
function apart({ api_key: made }) {
	return { key: { sales_channels: [], ...made, token: made.type === 'secret' ? '' : made.token }, token: made.token };
}

/** The key after a change. An answer without one means that there is no such key, as in Medusa. */
async function change(id, verb, body) {
	const { api_key: key } = await ask('POST', `${path(id)}${verb}?${fields()}`, body);
	if (!key) throw new Refused(404, { type: 'not_found', message: 'There is no such key any more. Somebody has deleted it.' });
	return key;
}

const path = (id) => `api-keys/${encodeURIComponent(id)}`;

const fields = () => new URLSearchParams({ fields: attributes });

const basic = (token) => `Basic ${btoa(`${token}:`)}`; // Medusa's form: a guard in Medusa's words takes no other

async function ask(method, target, body, signal) {
	const used = authorization;
	try {
		return await send(method, target, body, used, signal);
	} catch (error) {
		if (error instanceof SignedOut && used === authorization) onSignedOut(); // not when somebody has signed in anew meanwhile
		throw error;
	}
}

async function send(method, target, body, as, signal) {
	const late = AbortSignal.timeout(patience);
	let response, text;
	try {
		response = await fetch(new URL(target, root), {
			method,
			headers: { Accept: 'application/json', ...(as && { Authorization: as }), ...(body && { 'Content-Type': 'application/json' }) },
			body: body && JSON.stringify(body),
			signal: signal ? AbortSignal.any([signal, late]) : late,
			cache: 'no-store',
			redirect: 'error', // the admin routes never do; a login page would not be an answer
		});
		setClock(response.headers.get('Date'));
		text = await response.text();
	} catch (error) {
		if (signal?.aborted) throw error;
		throw new Lost('The server does not answer.', { cause: error });
	}
	let answer;
	try {
		answer = JSON.parse(text);
	} catch { /* told below */ }
	if (response.status === 401) throw new SignedOut('The key is not accepted: it is unknown, revoked or expired.');
	if (!response.ok) throw new Refused(response.status, answer, retryAfter(response));
	if (answer === null || typeof answer !== 'object') throw new Lost('The server answered something that is not of the admin routes.');
	return answer;
}

/** Seconds, or 0 where the server does not say. */
function retryAfter(response) {
	const value = response.headers.get('Retry-After') ?? '';
	const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now()) / 1000;
	return seconds > 0 ? Math.ceil(seconds) : 0;
}
