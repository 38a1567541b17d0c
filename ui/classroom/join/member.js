// Requests that only a member of the class may make.
import { classroom } from "../../shared/classroom.js";

/**
 * Does what a member may do. One whom the server has forgotten, because a new class has begun, joins it first.
 * @template T
 * @param {(member: string) => Promise<T>} work called with the member's token
 * @returns {Promise<T>}
 */
export async function asMember(work) {
  if (!classroom.member) await classroom.join();
  try {
    return await work(classroom.member.token);
  } catch (error) {
    if (error.setting !== "member") throw error;
    await classroom.join();
    return work(classroom.member.token);
  }
}
