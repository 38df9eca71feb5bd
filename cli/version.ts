/** Version of this program; `npm run build` and the package carry the same. */
export const version = '0.1.0';
