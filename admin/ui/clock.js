// The server's clock decides when a key ends, so it is the one that this page goes by. Answers tell it in whole seconds.

let ahead = 0; // milliseconds by which the server's clock is before ours

/** Learns the server's time from the Date header of an answer. */
export function setClock(header) {
	const difference = Date.parse(header) - Date.now();
	if (Number.isNaN(difference)) return;
	ahead = Math.abs(difference) > 2000 ? difference : 0; // less is rounding and travel
}

/** The time now, in milliseconds, as the server has it. */
export const now = () => Date.now() + ahead;
