// The page's address says what is edited, so that a link to it restores that.

export const rounded = (number) => Math.round(number * 100) / 100;

/** What the address asks for: {concept, other, mix, strength}; numbers that make no sense are as at the beginning. */
export function asked() {
  const given = new URL(location.href).searchParams;
  const share = (name, otherwise) => {
    const value = Number.parseFloat(given.get(name));
    return value >= 0 && value <= 1 ? value : otherwise;
  };
  return { concept: given.get("concept"), other: given.get("with"), mix: share("blend", 0.5), strength: share("strength", 1) };
}

/** Keep in the address what is edited now. */
export function keep({ concept, other, mix, strength }) {
  const address = new URL(location.href);
  const set = (key, value) => (value === null ? address.searchParams.delete(key) : address.searchParams.set(key, value));
  set("concept", concept);
  set("with", other);
  set("blend", other ? rounded(mix) : null);
  set("strength", strength === 1 ? null : rounded(strength));
  history.replaceState(history.state, "", address);
}
