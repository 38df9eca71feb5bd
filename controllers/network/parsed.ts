import { parseSubnet, type Subnet } from '../../api-schemas/index.ts';

/** The range; undefined for what is none, as nodes write their routes themselves. */
export function parsed(text: string): Subnet | undefined {
  try {
    return parseSubnet(text);
  } catch {
    return undefined;
  }
}
